"""Planners behind HTTP, and the page that shows and corrects their plans (`page/`, built from the folder `page` beside the package)."""
