"""Reading the directory whole: users drift-proof, groups lean, the token's sight, and the proof of completeness."""
