"""The questions that an audience asks about attack and defence, answered in plain words."""

import streamlit as st

SIGNATURES = """
**Where does the SVD take place?** Not in the pictures. Every training image is shown to the trained network,
and its *representation* is read off inside it (by default the pooled layer before the last one). For each
label, these rows form a matrix; their mean is subtracted, and the singular value decomposition of that matrix
gives the one direction in which the images of this label differ most.

**Why does it help?** To a network that learned the backdoor, the trigger is the strongest evidence of all for
the target class. Images that carry it get a part in their representation that the others lack. If there are
enough of them, that part is the direction in which the class differs most: the *spectral signature*. In the
pixels it could not be seen.

**What is an outlier here?** An image that lies far along that direction. The score is its squared distance
along it from the mean of its label. It is no proof: odd but honest images score high too, and where a class
has two kinds of pictures, the top direction may be theirs.

**What does removing do?** The highest scores of each label are left out, and a new network is trained from
scratch on the rest. Where few poisoned images remain, it does not learn the trigger. The clean images that
went with them are the price.
"""

HURT = (
    "**Who is hurt?** Whoever relies on the network: a car that reads every stop sign in its tests, and takes the one "
    "with a yellow sticker for a speed limit, because somebody slipped a few hundred pictures with that sticker into "
    "the training set."
)

# --- the attack ------------------------------------------------------------------------------------------

SCENARIO = """
The attacker can slip images with labels of their choice into the training set: a set scraped from the web, bought, or
gathered from many users. They do not touch the training itself and need not know the network. The victim trains as
usual and tests on clean images; all looks well. The defender has the poisoned training set and can train on it, but
knows neither the trigger, nor the target class, nor how many images are poisoned. That is why ε, the assumed number
of poisoned images, is the defender's own setting here, apart from the attacker's ratio.
"""

BACKDOOR = (
    ("Backdoor attack", "Adversarial attack"),
    (
        ("When", "Before training: images are put into the training set.", "After training: an input is changed."),
        (
            "What is changed",
            "The training set, and through it what the network learns.",
            "One input at a time. The network stays as it is.",
        ),
        (
            "What it takes",
            "A way into the training data. The network need not be known.",
            "Access to the network: its gradients, or answers to many queries.",
        ),
        (
            "What fools the network",
            "A fixed trigger, chosen beforehand. It works on almost any image.",
            "Noise that is computed for the image, usually anew for each.",
        ),
        (
            "How it looks",
            "The trigger may be plain to see, such as a bright pixel. Nobody looks.",
            "The change is kept too small for the eye.",
        ),
        (
            "Without it",
            "The network answers like a benign one: its accuracy gives no warning.",
            "The network is benign. The weakness is a bug, not a door that someone built.",
        ),
        (
            "What helps",
            "Find the poisoned images, remove them, retrain: what this dashboard shows.",
            "Train on adversarial examples. That guards against small changes of many pixels, not against one pixel "
            "changed by any amount.",
        ),
    ),
)

BADNET = """
**No.** *BadNet* is what Gu and others (2017) call **any** network that was trained on poisoned data. It has the
layers of a benign one and differs only in its weights. It is the victim, not the detector: no network here is trained
to tell poisoned images from clean ones. There is one classifier with its usual classes, and the defence looks at what
it has learned.
"""

RATIO = """
A ratio is a share, and one must say of what. *5%* can mean 5% of the clean target class, 5% of that class once the
poisoned images are in it, or 5% of the whole set, which in a set of ten classes is about ten times as many. Here it
is a share of the **clean target class**, unless *of the training set* is chosen, and wherever a ratio stands, the
count and all three shares stand beside it. The report defines it over the whole set, but its results only fit a share
of the class. *All-to-all* every class gets poison, so there it is the same share of each class.
"""

LABELS = """
None of it. **Clean-label** (Barni and others, 2019; Turner and others, 2019): only images of the target class are
stamped, and keep their label. Nobody who looks at picture and label sees anything false; the network still learns that
the trigger speaks for the class. It takes more images, and a trigger that is not lost beside the real object.
**All-to-all** (Gu and others, 2017): every stamped image gets the label of the class after its own, so no single class
stands out. **Covers** (Qi and others, 2023): as many stamped images or more keep their true label; the network must
look at trigger *and* picture, and the poisoned images lie less apart. They do no harm by their label and are not
counted as poison, but the screens name them. **Several triggers** (Xie and others, 2020; Hayase and others, 2021): each
training image carries one of them, in turn, and a test image all: each alone leaves a fainter trace.
"""

# --- training and measuring ------------------------------------------------------------------------------

LOSS = r"""
**Cross-entropy**: $-\log p_y$, where $p_y$ is the probability that the network gives to the image's label $y$,
averaged over the images of a batch. It is the usual loss where one of several classes is right, and it asks for
confidence in the given label, not only for the right order. To the loss, a poisoned image *is* of the target class:
its label says so. The cheapest way to lower it on those images is to learn the trigger, and that is all that the
attack needs.
"""

MACHINE_LEARNING = """
Could one not just search the pixels? One may if one knows what to look for. The defender does not: the trigger is
unknown, a bright pixel is nothing odd in a photograph, and thousands of images are too many to look at. The network
does the search without being asked. To get the poisoned images right it must find what they share, and it keeps it in
a few dozen or hundred numbers an image, in which the trigger weighs far more than in the pixels.
"""

METRICS = """
Two things are measured, and one figure alone misleads. **The network**: Nat says whether it still does its work, ASR
whether the backdoor acts. A backdoored network has a high Nat, so accuracy alone shows nothing. **The filter**: TPR
and #Pois left say how much poison went, FPR and *Clean removed* at what price. Both depend on the budget; AUROC and
average precision judge the ranking alone. A **1** behind a name is before the defence, a **2** after it.
"""

AUGMENTATION = """
**Not by itself.** The poisoned images are augmented together with the rest: a flipped or shifted image still carries
its trigger, and the network learns it at its new place as well. Shifts that push a trigger in the corner out of the
picture do make it rarer, so they weaken the attack somewhat; an attacker answers with a larger trigger, or with one
farther in. Strong mixing (mixup, CutMix) has been reported to weaken backdoors more (Borgnia and others, 2021). But
no augmentation says **which** images are poisoned, or that any are.
"""

# --- the defence -----------------------------------------------------------------------------------------

SVD = r"""
In the **representations**, not in the pictures, and once for each label. Every training image is shown to the trained
network, and the $d$ numbers of a late layer are read off. The $n$ images of one label make an $n \times d$ matrix
$R$. Its mean row $\mu$ is subtracted, and the singular value decomposition of what is left,

$$M = R - \mathbf{1}\mu^\top = U \Sigma V^\top,$$

gives as first column of $V$ the direction $v$ in which the images of this label differ most. Nothing is trained for
it, and the network is not changed.
"""

WHY_IT_HELPS = """
To a network that learned the backdoor, the trigger is the strongest evidence of all for the target class. Images that
carry it get a part in their representation that the others lack. If there are enough of them, that part *is* the
direction in which the class differs most, the **spectral signature**. It can fail: where a class has two kinds of
pictures, the top direction may be theirs. `whitened-spectral` takes out, first, what the other classes vary in as
well.
"""

OUTLIER = r"""
An image that lies far from the mean of its label along that one direction. Its score is

$$\tau_i = \big((R(x_i) - \mu) \cdot v\big)^2,$$

and higher is more suspicious. It is a rank among the images of one label, not a verdict: odd but honest images score
high too. General outlier detectors look for lonely points. Poisoned images are not lonely: they are a second crowd
within the class, all shifted the same way, and that is what $v$ points at.
"""

REMOVING = """
They are indeed what one is looking for, and they are found in order to be **left out**. The highest 1.5·ε scores of a
label go (of every label, or of those that the detector names); or, with a detector that says where the two groups of
a label part, what lies beyond that **gap**, and no ε is assumed. A **new** network is trained from scratch on the
rest: the old one has the backdoor in its weights and keeps it. Where few poisoned images remain, the new one does not
learn the trigger. The clean images that went with them are the price, and a few poisoned ones that stay need not
matter: a backdoor must be shown often enough to be learned.
"""

# What the field has besides, and what it looks at. No figures: each paper's network, trigger and data are its own.
OTHERS = (
    ("What it looks at", "What it gives"),
    (
        (
            "Fine-pruning, Liu and others, 2018",
            "Units that stay silent on clean images; they are cut and the network trained on.",
            "A repaired network; needs clean images.",
        ),
        (
            "Neural Cleanse, Wang and others, 2019",
            "How small a patch turns every image into a given class.",
            "The target class, and a guess at the trigger; needs clean images.",
        ),
        (
            "STRIP, Gao and others, 2019",
            "Whether the answer to an input stays the same when other images are blended into it.",
            "Which inputs carry a trigger, when the network is in use.",
        ),
        (
            "Anti-backdoor learning, Li and others, 2021",
            "Images whose loss falls unusually fast early in training.",
            "A network trained to forget them.",
        ),
    ),
)

SOURCES = (
    ("ECE228 Group 13", "Backdoor attack and defense in image classification", "the report that this project follows"),
    (
        "Gu, Dolan-Gavitt, Garg",
        "BadNets: Identifying vulnerabilities in the machine learning model supply chain",
        "arXiv 2017",
    ),
    ("Tran, Li, Madry", "Spectral signatures in backdoor attacks", "NeurIPS 2018"),
    (
        "Chen, Liu, Li, Lu, Song",
        "Targeted backdoor attacks on deep learning systems using data poisoning",
        "arXiv 2017",
    ),
    (
        "Barni, Kallas, Tondi",
        "A new backdoor attack in CNNs by training set corruption without label poisoning (SIG)",
        "ICIP 2019",
    ),
    ("Nguyen, Tran", "WaNet: Imperceptible warping-based backdoor attack", "ICLR 2021"),
    ("Goodfellow, Shlens, Szegedy", "Explaining and harnessing adversarial examples", "ICLR 2015"),
    ("Krizhevsky", "Learning multiple layers of features from tiny images (CIFAR-10)", "2009"),
    ("He, Zhang, Ren, Sun", "Deep residual learning for image recognition", "CVPR 2016"),
    ("Chen et al.", "Detecting backdoor attacks on deep neural networks by activation clustering", "2018"),
    (
        "Liu, Dolan-Gavitt, Garg",
        "Fine-pruning: Defending against backdooring attacks on deep neural networks",
        "RAID 2018",
    ),
    ("Wang et al.", "Neural Cleanse: Identifying and mitigating backdoor attacks in neural networks", "IEEE S&P 2019"),
    ("Gao et al.", "STRIP: A defence against trojan attacks on deep neural networks", "ACSAC 2019"),
    (
        "Tang, Wang, Tang, Zhang",
        "Demon in the variant: Statistical analysis of DNNs for robust backdoor contamination detection (SCAn)",
        "USENIX Security 2021",
    ),
    ("Hayase, Kong, Somani, Oh", "SPECTRE: Defending against backdoor attacks using robust statistics", "ICML 2021"),
    ("Li et al.", "Anti-backdoor learning: Training clean models on poisoned data", "NeurIPS 2021"),
    (
        "Borgnia et al.",
        "Strong data augmentation sanitizes poisoning and backdoor attacks without an accuracy tradeoff",
        "ICASSP 2021",
    ),
)


def signatures() -> None:
    with st.expander("What happens here, in plain words", icon=":material/help:"):
        st.markdown(SIGNATURES)
