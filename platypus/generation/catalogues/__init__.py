"""Random typed catalogues, for pretraining, for rehearsal, and for requests that another catalogue cannot answer.

Knows no plans and no requests.

    catalogue_style.py  how one made-up catalogue is written: names, types, descriptions
    list_filters.py     the filters of a list tool
    tool_families.py    the families of tools that catalogues have
    everyday_tools.py   tools of everyday software, from everyday.toml
    random_catalogue.py a catalogue from a random number generator
"""
