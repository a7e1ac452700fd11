"""What is made from the arguments when the wheel is built; it is not part of the wheel.

hook.py         called by hatchling
completions.py  the scripts for shells, with the functions in completion.*
man_page.py     the manual, of manual.1
"""
