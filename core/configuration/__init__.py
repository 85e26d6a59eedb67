"""What can be asked for: one run, its numbers, its name; a grid of runs.

Nothing here computes, reads a data set or loads torch: a request is checked and written down as a `RunConfig`, which
`configure` makes of plain settings. The registries hold everything that has a name; the entries themselves stand in
the rooms of what they enter.

`stages` says under which key each result will stand, the SHA-256 of all that it depends on:

- model: data set and checksum, subset, attack, training numbers, seed, keep-mask
- features: model, representation
- entropies: model, how many others each image is superimposed with, the seed that draws them
- scores: features, detector and its parameters
- predictions: model, triggers
- run: the whole chain; its document is the summary

So two requests that differ in one poisoned image never share a result. An attack of ratio 0 has no part in the model's
key: the benign reference of every trigger and target is one network a seed, trained as the cleaned one is. A filter
that removes nothing has no part in it either.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
