"""What is made of the arguments when the wheel is built; itself not part of it.

hook.py         called by hatchling
completions.py  the scripts for shells, with the functions in completion.*
man_page.py     the manual, of manual.1
"""
