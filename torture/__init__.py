"""Torture: a real server under real clients and faults, and a checker that believes only journals.

`make torture` runs it for two minutes; `python -m torture --minutes 120 --seed 7` as long as wanted. The same
seed makes the same load and the same schedule of faults; what meets what is the machine's to say. `--mutants`
proves that it would notice: each of six mistakes, made on purpose, has to be found.
"""
