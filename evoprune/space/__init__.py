"""What a gene is: weights of a network, and how genomes become masks."""
