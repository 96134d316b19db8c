"""Planners behind HTTP, and the page that shows and corrects their plans: `page/`, the built form of `../page`."""
