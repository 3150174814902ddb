"""Faults put into the program on purpose: what fires, and what is survived.

``make chaos`` runs all classes at length; ``test_short.py`` runs them briefly. Faults are put in from outside, into a
child process, by replacing functions of ``os`` and of the package: the package has no hooks for them.
"""
