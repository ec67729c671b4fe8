"""Search loops (NSGA-II, MOEA/D), the archive of what they find, and how fronts are measured."""
