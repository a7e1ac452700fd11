"""Compares the launcher, in every shell that can be /bin/sh, with Python.

Each question is put to Python without the launcher, and to the launcher in each shell; if that
leaves a record of the answer, to the launcher once more. The answers are equal, whatever stands
on stdin and in the environment.
"""
