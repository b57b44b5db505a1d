"""Records of the time to grok: entries with their evidence, checked anew from their journals, and the table of them.

check_recipe(spec, track)        whether a spec keeps the rules of a track; `seeds_of` gives the seeds it is judged on
add_entry(runs, track, ...)      write an entry from finished runs
check_entry(folder)              judge an entry anew from its journals
standings(entries)               which entries took a record, by unit and machine
"""
