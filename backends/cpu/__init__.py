"""The fast engines: the same integers as the simulators, at the speed of the machine."""
