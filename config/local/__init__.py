"""Runs the product on one bare machine: servers from wheels, the product's processes, demo, smoke and tests.

For developers and tests only: nothing in production settings imports it.
"""
