"""Gather: make the reads of a plan, all hosts and clusters side by side, and nothing else."""
