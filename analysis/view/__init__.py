"""The page: one module per tab, each with a `build` function, and the components they share."""
