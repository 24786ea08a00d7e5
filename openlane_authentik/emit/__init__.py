"""Handing records to a host: envelopes, the lines that close a set and a run, and the sinks that take them."""
