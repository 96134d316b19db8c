"""What a run is told, and the folder in which it leaves its results.

Stages are run by `Run.perform`, which skips what is done and publishes a finished folder by one rename. Knows nothing
of what a stage does.

    settings.py         one frozen class for each table of a recipe, with all defaults
    recipe.py           TOML → Recipe, strict
    folder.py           Run: stages, fingerprints, completion marks, locks
"""
