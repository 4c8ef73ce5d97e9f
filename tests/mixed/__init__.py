"""The mixed-cluster suite; see run.py."""
