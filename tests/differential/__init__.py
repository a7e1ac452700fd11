"""Holds the launcher, in every shell that can be /bin/sh, against Python.

Each question is put to the launcher, to Python without it, and to the launcher again, which by
then has a record of it: three equal answers, whatever stands on stdin and in the environment.
"""
