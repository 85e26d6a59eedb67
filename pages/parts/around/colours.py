"""The two colours that mean something, and what stands beside them so that colour is never alone."""

BENIGN = "#0072B2"
POISONED = "#D55E00"
REFERENCE = "#7A7A7A"  # what is published or assumed: legible on a light and on a dark ground

BENIGN_SYMBOL = "circle"
POISONED_SYMBOL = "x"
BENIGN_DASH = "solid"
POISONED_DASH = "dash"
