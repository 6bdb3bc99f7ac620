"""The parts of the serving benchmark: what is asked of all, and how each server is started and asked."""
