"""The recipe of a run, and the folder that holds its results.

Stages are run by `Run.perform`, which skips work that is already done and publishes a finished folder by one rename.
Does not know what a stage does.

    settings.py         one frozen class for each other table of a recipe, with all defaults
    merge_settings.py   the class for [merge]
    pretrain_settings.py  `[pretrain]`: the small base that `platypus base` trains
    conventions_settings.py  `[conventions]`: how a team writes its plans
    execute_settings.py `[execute]`: policy, limits and sources of executions
    recipe.py           TOML → Recipe, strict
    places.py           where the files and folders are that a recipe names
    lock.py             one process at a time
    definition.py       what defines a run: recipe, catalogue, places
    folder.py           Run: stages, fingerprints, completion marks
    refined.py          the rows that refine left
    branches.py         runs in a run's folder with other settings
    toolboxes.py        what runs a run's tools, on which terms, and where its traces lie
    provenance.py       where a merged model comes from
    corrections.py      what people corrected, kept in the run's folder
"""
