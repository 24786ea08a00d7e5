"""Reading the directory whole: users, groups, what the token may see, and the proof of completeness."""
