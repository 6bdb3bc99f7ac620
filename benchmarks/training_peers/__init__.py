"""The parts of the training benchmark: the peers' environments, the material that all are given, their programs."""
