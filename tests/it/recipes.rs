//! Recipes as people meet them.
