"""From a program to cores: resources, partition, place, route, and an independent check of the result."""
