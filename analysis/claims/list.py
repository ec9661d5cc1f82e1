"""The claims of the paper, in its order, each with its rule in words; in code: `rules`.

Where a claim rests on the entropy estimator, the paper's own comes first. "Reached", "directed",
"margin" and "surely" are those of `standard`. Rules change only with a line in `CHANGES.md`.
"""

from __future__ import annotations

from functools import partial

from analysis.claims import rules, rules_peers
from analysis.claims import rules_bias as lab
from analysis.claims.protocol import Claim
from analysis.paper.plans import PAPER_ESTIMATOR

IMAGENET = "needs training on ImageNet-1K at 336 px; these weights come from two CPU cores"
REACHED = "holds: surely half of the paper's change; in part: surely a fall beyond 5 %"
OWN = "as above, but by the estimator of the weights, which sees the picture's error"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "floor",
        "Theorem 2.1",
        "With finitely many codes the error stays above a positive minimum",
        "a proof",
        "none",
        rules.error_floor,
    ),
    Claim(
        "globals-loss",
        "Theorem 3.2",
        "Global tokens lower the reconstruction loss",
        "a proof that compares lower bounds",
        "holds: 16 global tokens raise the PSNR by surely more than 0.1 dB, with all patches and "
        "with as many tokens in all; in part: surely at all, or in one of the two",
        rules.globals_lower_loss,
    ),
    Claim(
        "globals-rfd",
        "Fig. 3",
        "16 global tokens beside all patches lower the rFID",
        "-30.4 %",
        REACHED,
        partial(
            rules.by_rfd, "fig3", partial(rules.globals_lower_rfd, rules.PATCHES, 1.51 / 2.17 - 1)
        ),
    ),
    Claim(
        "globals-losses",
        "Fig. 3",
        "The same with the paper's own losses, and weights trained for k = 16 and k = 0 alone",
        "-30.4 %",
        REACHED,
        partial(
            rules.by_rfd, "twins", partial(rules.globals_lower_rfd, rules.PATCHES, 1.51 / 2.17 - 1)
        ),
    ),
    Claim(
        "globals-total",
        "Fig. 3",
        "16 global tokens in the place of patches lower the rFID, too",
        "-29.0 %",
        REACHED,
        partial(
            rules.by_rfd, "fig3", partial(rules.globals_lower_rfd, rules.TOTAL, 1.54 / 2.17 - 1)
        ),
    ),
    Claim(
        "plateau",
        "Fig. 3",
        "16 global tokens bring nearly all there is to gain",
        "95.7 % of the fall up to k = 200",
        "holds: what is left of the fall up to k_max is surely at most twice the paper's 4.3 %; in "
        "part: at most half; cannot be tested where there is no sure fall beyond 5 %",
        partial(rules.by_rfd, "fig3", partial(rules.plateau, 0.957)),
    ),
    Claim(
        "redundant-half",
        "Fig. 4",
        "Half of the patches are redundant: without 48 % of them the rFID rises by less than 11 %",
        "end +6.9 %, start +8.3 %, random +10.6 %",
        "holds: surely less than 11 % in all three ways; in part: in one or two",
        partial(rules.by_rfd, "fig4", rules.half_is_redundant),
    ),
    Claim(
        "removal-order",
        "Fig. 4",
        "Removing from the end harms least, at random most",
        "2.32, 2.35, 2.40",
        "holds: both steps surely reach half of the paper's; in part: one does",
        partial(rules.by_rfd, "fig4", rules.order_of_removal),
    ),
    Claim(
        "collapse",
        "Fig. 4",
        "Beyond one half the rFID soars",
        "× 175",
        "holds: in all three ways surely steeper, in rFD by patch, beyond 48 % than before, and "
        "with all but one removed surely 87 times the rFD of all, half of the paper's; in part: "
        "not all of it",
        partial(rules.by_rfd, "fig4", rules.collapse),
    ),
    Claim(
        "redundancy",
        "Sec. 2.3",
        "Patch tokens are redundant",
        "Red > 0",
        "holds: Red of all patch codes, without G, is surely above 5 %, and its lower bound, which "
        "has no interval, is too; in part: it is surely above 0, a ratio of two upper bounds",
        lab.patches_are_redundant,
    ),
    Claim(
        "red-zero",
        "App. B.4",
        "The kept patches, given G, are not redundant",
        "Red ≈ 0",
        "in part: surely less than that of as many patches at random, given G. A better model of "
        "the codes could find more, a small Red is no upper bound: so it cannot be said to hold",
        lab.red_vanishes,
    ),
    Claim(
        "dtf-residual",
        "Fig. 5",
        "At the same N, DTF (Alg. 1, line 4) beats random, uniform, first and last",
        "-34.9 % against the best of them",
        "holds: rFD against each of the four surely lower by half of the paper's change, at the N "
        "of ε = 0.05 of the weights and at the paper's share of patches; in part: some, or surely "
        "lower by more than 5 %. PSNR is told against the best by PSNR",
        partial(rules.by_rfd, "fig5", partial(rules.dtf_beats, True)),
    ),
    Claim(
        "dtf-best",
        "Fig. 5",
        "The same with our pixel-error oracle",
        "-34.9 % against the best of them",
        OWN,
        partial(rules.by_rfd, "fig5", partial(rules.dtf_beats, False)),
    ),
    Claim(
        "baselines",
        "Fig. 5",
        "Random is worst, then uniform, first, last",
        "3.25, 2.88, 2.41, 2.32",
        "holds: each step surely reaches half of the paper's; in part: some do",
        partial(rules.by_rfd, "fig5", rules.order_of_baselines),
    ),
    Claim(
        "fig5-gfid",
        "Fig. 5",
        "DTF gives the best gFID, too",
        "2.17 against 3.05",
        "none",
        partial(rules.not_here, "needs a generator trained for each policy"),
    ),
    Claim(
        "few-residual",
        "Table 1",
        "At ε = 0.05 few patches are left (Alg. 1, line 4)",
        "9.2 % (56.4 tokens, of which 16 are global, of 441 patches)",
        "holds: surely at most twice the paper's share; in part: less than half. Global tokens do "
        "not count as patches",
        partial(rules.few_tokens, True),
    ),
    Claim(
        "few-tokens",
        "Table 1",
        "The same with our pixel-error oracle",
        "9.2 % (56.4 tokens, of which 16 are global, of 441 patches)",
        OWN,
        partial(rules.few_tokens, False),
    ),
    Claim(
        "no-loss-residual",
        "Table 1, Fig. 3",
        "They give the rFID of all tokens (Alg. 1, line 4)",
        "+0 % (1.51 with 56.4 tokens and with 457)",
        "holds: rFD at ε = 0.05 surely at most 5 % above that of all patches; in part: at most "
        "10 %. It says nothing where nearly all patches are kept",
        partial(rules.by_rfd, "epsilon", partial(rules.no_loss, True)),
    ),
    Claim(
        "no-loss",
        "Table 1, Fig. 3",
        "The same with our pixel-error oracle",
        "+0 % (1.51 with 56.4 tokens and with 457)",
        OWN,
        partial(rules.by_rfd, "epsilon", partial(rules.no_loss, False)),
    ),
    Claim(
        "epsilon-residual",
        "App. D.1, Fig. 7",
        "DTF works the same from ε = 0.05 to 0.15 (Alg. 1, line 4)",
        "pictures only",
        "holds: rFD surely more than 5 % below that of random patches at the same N, for each ε; "
        "in part: for some, or surely below at all",
        partial(rules.by_rfd, "epsilon", partial(rules.epsilon_generalises, True)),
    ),
    Claim(
        "epsilon",
        "App. D.1, Fig. 7",
        "The same with our pixel-error oracle",
        "pictures only",
        OWN,
        partial(rules.by_rfd, "epsilon", partial(rules.epsilon_generalises, False)),
    ),
    Claim(
        "position",
        "App. D.2",
        "The position dominates which patches are kept",
        "an explanation",
        "holds: of the variance of H by the paper's estimator over all rolls of a photograph, the "
        "place explains surely more than half, in every model measured; in part: in some",
        lab.position_dominates,
    ),
    Claim(
        "edges",
        "App. D.2",
        "Nearly half of the kept patches lie at the left and right edges",
        "nearly half",
        "holds: surely half of the way from chance to one half; in part: surely 5 points above "
        "chance. By the paper's estimator, with the paper's share of the patches kept of each "
        "picture: at its ε ours keeps so many that the edges cannot hold half of them",
        partial(lab.edges, ("photographs",), PAPER_ESTIMATOR),
    ),
    Claim(
        "edges-blank",
        "Fig. 8",
        "So they do on white, black and noise",
        "strong bias",
        "as above, on noise, by the reading of the estimator that is not 0 on flat pictures; white "
        "and black, one picture each and so without a test, must show it too for 'holds'",
        partial(lab.edges, ("white", "black", "noise"), lab.BLANK),
    ),
    Claim(
        "place-in-codes",
        "App. D.2",
        "They carry position, because a sequence has lost it",
        "an explanation",
        "holds: from the code of a patch of a picture rolled at random, a linear probe names row "
        "and column better by surely more than 1 point in layout `sequence` than from codes "
        "without a network, and than in layout `grid` after equal training; in part: in some of "
        "the four. Cannot be tested where a quarter of its patches gains less than 0.1 dB",
        lab.place_in_codes,
    ),
    Claim(
        "edges-first",
        "App. D.3",
        "To keep the edges first preserves the picture",
        "a suggestion",
        "holds: at each N measured, rFD surely more than 5 % below that of DTF alone, both with "
        "the paper's estimator; in part: at some, or surely below at all",
        lab.edges_first,
    ),
    Claim(
        "speed",
        "Table 1",
        "8.7 times the throughput of 569 tokens",
        "× 8.7 (94.3 and 10.8 a second, A100)",
        "holds: half of it or more, timed and counted in multiply-adds; in part: one of the two",
        partial(rules.speed_up, 8.7),
    ),
    Claim(
        "peers",
        "Table 1",
        "Global and patch tokens that enhance each other beat either alone, and both unfiltered",
        "rFID 1.51 (56.4 tokens), TiTok 1.70 (64), Hita 1.50 (569)",
        "holds: trained for equal time by the same code, at the bits of each peer (64 and 96 "
        "global tokens alone, patches alone, both unfiltered) ours has a PSNR surely more than "
        "0.1 dB higher and an rFD surely more than 5 % lower, with every seed that both were "
        "trained with; in part: some of it, or surely at all",
        rules_peers.mutual_enhancement,
    ),
    Claim(
        "rfid",
        "Table 1",
        "rFID 1.51 on ImageNet with 56.4 tokens of 4096 codes",
        "1.51",
        "none",
        partial(rules.not_here, IMAGENET),
    ),
    Claim(
        "gfid",
        "Table 1",
        "gFID 1.89 on ImageNet (2.17 in Fig. 5)",
        "1.89",
        "none",
        partial(rules.not_here, IMAGENET),
    ),
)
