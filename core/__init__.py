"""Poisonscope: poison an image training set, find the poison by its spectral signature, remove it, compare.

The doors that the pages, the command line and notebooks use; all else is inside:

    configure(...)          settings -> RunConfig, checked
    run(config)             carry it out here, or find it stored -> Result
    represent_run(config, representation)  read another layer of a stored network off; nothing is trained
    prove(config)           the trigger rebuilt from flagged images, laid on others; the network asked -> Proof
    retraining(config, keep)  the run that trains on a reviewed keep-list in place of what the cut leaves -> RunConfig
    run_benign(config)      the benign reference of a run; run_reference: of a random or the perfect filter
    submit(config)          put it into the ledger; a worker process carries it out -> Job
    sweeps                  grids of runs: a YAML file, its plan, its figures so far
    Result(config)          everything a finished (or half-finished) run has stored
    detect(...)             score any features with any detector
    estimate(config)        stored already? about how long?
    install_recorded()      the recorded run of assets/ into store and ledger; open_recorded: one behind the tables

Doors open when first used, so that looking at a menu does not load torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
