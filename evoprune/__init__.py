"""Evolutionary pruning of PyTorch networks on DEAP: fronts of smaller networks to choose from."""
