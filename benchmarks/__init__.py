"""What a sync costs the identity provider and the machine it runs on, as ratios within one run.

    python -m benchmarks                 the whole table, about 20 minutes
    python -m benchmarks --quick         the same at a size that only shows that it runs
    python -m benchmarks --profile       where the CPU time of a full sync goes

Side by side, on one fake authentik in a process of its own:

ours        this package: a full sync without and with a filter, a delta with nobody changed, a delta after ten users
            were changed and two deleted
official    the `authentik-client` package doing what the original integration does
floor       the same bytes fetched, decoded and the same envelopes encoded, and nothing else

Every run of a subject is a fresh process that measures itself once everything is imported, its filter has been
compiled once and its HTTP client has made a first small request. Runs are interleaved (A B C A B C), and a ratio is
the median of the ratios of each round, so that what disturbs the machine for a while disturbs both sides of it.

job         what one run is told and what it answers
measure     wall time, CPU time and peak memory of a piece of work
model       what requests cost the modelled server
server      the fake, as a process that takes commands
subjects/   ours, official, floor
subject     one run, as a process
lab         starts those processes, and ends them
rounds      which subjects run in what order, at which size, on which server
ratios      medians, ratios and growth
report      the tables
hotspots    the profile
"""
