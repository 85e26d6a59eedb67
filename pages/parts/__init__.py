"""What the screens are made of: a folder a screen, `form` for the run's form, `images`, `common`, and `around`.

A screen is a file of `pages/`, read top to bottom. It asks `around.current` for the run that the address names and ends
there if there is none. What a tab has chosen stands in the address, so that a link, a reload or a second tab shows the
same; what belongs to a person (verdicts) stands in the database. What moves alone reruns alone: a fragment, or a
component of our own (`st.components.v2`, a few files of JavaScript and CSS beside the part that uses them) where a
picture must follow the hand. Pictures are sent as one sprite, plots as bars, never as arrays of scores. In blind review
a screen shows nothing that only the attacker knows; images go by shuffled handles there, since stamped copies have the
highest ids. `around/address.js` keeps the browser's history in order: Streamlit makes up to three entries of one change
of screen, and one press of Back shall be one step back.
"""
