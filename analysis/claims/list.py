"""The claims of the paper, in its order, each with its rule in words; in code: `claim_rules`.

"Surely" means that the whole 95 % interval says so; a claim that an interval neither bears out nor
contradicts is undecided. Only changes and orders of the rFD are compared, since the paper's is by
Inception on ImageNet.
"""

from __future__ import annotations

from functools import partial

from analysis.claims import rules, rules_peers
from analysis.claims import rules_bias as lab
from analysis.claims.protocol import Claim
from analysis.paper.plans import PAPER_ESTIMATOR

IMAGENET = "needs training on ImageNet-1K at 336 px; these weights come from two CPU cores"
SURELY_HALF = "holds: surely falls by more than half of the paper's change; in part: surely falls"

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
        "holds: 16 global tokens surely raise the PSNR, with all patches and with as many tokens "
        "in all; in part: in one of the two",
        rules.globals_lower_loss,
    ),
    Claim(
        "globals-rfd",
        "Fig. 3",
        "16 global tokens beside all patches lower the rFID",
        "-30.4 %",
        SURELY_HALF,
        partial(rules.globals_lower_rfd, rules.PATCHES, 1.51 / 2.17 - 1),
    ),
    Claim(
        "globals-total",
        "Fig. 3",
        "16 global tokens in the place of patches lower the rFID, too",
        "-29.0 %",
        SURELY_HALF,
        partial(rules.globals_lower_rfd, rules.TOTAL, 1.54 / 2.17 - 1),
    ),
    Claim(
        "plateau",
        "Fig. 3",
        "16 global tokens bring nearly all there is to gain",
        "95.7 % of the fall up to k = 200",
        "holds: surely more than 90 % of the fall up to k_max; in part: than 50 %",
        rules.plateau,
    ),
    Claim(
        "redundant-half",
        "Fig. 4",
        "Half of the patches are redundant: without 48 % of them the rFID rises by less than 11 %",
        "end +6.9 %, start +8.3 %, random +10.6 %",
        "holds: surely less than 11 % in all three ways; in part: in one or two",
        rules.half_is_redundant,
    ),
    Claim(
        "removal-order",
        "Fig. 4",
        "Removing from the end harms least, at random most",
        "2.32, 2.35, 2.40",
        "holds: both steps are surely upward; in part: one is",
        rules.order_of_removal,
    ),
    Claim(
        "collapse",
        "Fig. 4",
        "Beyond one half the rFID soars",
        "× 175",
        "holds: in all three ways surely steeper, in rFD by patch, beyond 48 % than before, and "
        "with all but one removed surely ten times the rFD of all; in part: not all of it",
        rules.collapse,
    ),
    Claim(
        "redundancy",
        "Sec. 2.3",
        "Patch tokens are redundant",
        "Red > 0",
        "holds: Red of all patch codes, without G, is surely above 0, and its lower bound, which "
        "has no interval, is too; in part: the first alone, a ratio of two upper bounds",
        lab.patches_are_redundant,
    ),
    Claim(
        "red-zero",
        "App. B.4",
        "The kept patches, given G, are not redundant",
        "Red ≈ 0",
        "in part: surely less than for all patches without G. A better model of the codes could "
        "find more, a small Red is no upper bound: so it cannot be said to hold",
        lab.red_vanishes,
    ),
    Claim(
        "dtf-best",
        "Fig. 5",
        "At the same N, DTF beats random, uniform, first and last",
        "-34.9 % against the best of them",
        "holds: surely lower rFD than each of the four, at the N of ε = 0.05 and at the paper's "
        "share of patches; in part: than some. DTF with the estimator of the weights",
        partial(rules.dtf_beats, None),
    ),
    Claim(
        "dtf-residual",
        "Fig. 5",
        "The same with the paper's own estimator (Alg. 1, line 4)",
        "-34.9 % against the best of them",
        "as above, but by the paper's estimator",
        partial(rules.dtf_beats, f"DTF, {PAPER_ESTIMATOR}"),
    ),
    Claim(
        "baselines",
        "Fig. 5",
        "Random is worst, then uniform, first, last",
        "3.25, 2.88, 2.41, 2.32",
        "holds: each step is surely downward; in part: some are",
        rules.order_of_baselines,
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
        "few-tokens",
        "Table 1",
        "At ε = 0.05 few tokens are left",
        "12.8 % of the patches (56.4 of 441)",
        "holds: surely less than 16 %; in part: than half. DTF with the estimator of the weights",
        partial(rules.few_tokens, ""),
    ),
    Claim(
        "few-residual",
        "Table 1",
        "The same with the paper's own estimator (Alg. 1, line 4)",
        "12.8 % of the patches (56.4 of 441)",
        "as above, but by the paper's estimator",
        partial(rules.few_tokens, PAPER_ESTIMATOR),
    ),
    Claim(
        "no-loss",
        "Table 1, Fig. 3",
        "They give the rFID of all tokens",
        "+0 % (1.51 with 56.4 tokens and with 457)",
        "holds: rFD at ε = 0.05 surely at most 5 % above that of all patches; in part: at most "
        "11 %. DTF with the estimator of the weights",
        rules.no_loss,
    ),
    Claim(
        "epsilon",
        "App. D.1, Fig. 7",
        "DTF works the same from ε = 0.05 to 0.15",
        "pictures only",
        "holds: surely lower rFD than random patches at the same N for each ε; in part: for some. "
        "DTF with the estimator of the weights",
        rules.epsilon_generalises,
    ),
    Claim(
        "edges",
        "App. D.2",
        "Nearly half of the kept patches lie at the left and right edges",
        "nearly half",
        "holds: surely more than 40 %; in part: than by chance. By the paper's estimator, with the "
        "paper's share of the patches kept of each picture: at its ε ours keeps so many that the "
        "edges cannot hold half of them",
        partial(lab.edges, ("photographs",)),
    ),
    Claim(
        "edges-blank",
        "Fig. 8",
        "So they do on white, black and noise",
        "strong bias",
        "as above, on noise; white and black, one picture each and so without a test, must show it "
        "too for 'holds'",
        partial(lab.edges, ("white", "black", "noise")),
    ),
    Claim(
        "place-in-codes",
        "App. D.2",
        "They carry position, because a sequence has lost it",
        "an explanation",
        "holds: from the code of a patch of a picture rolled at random, a linear probe names row "
        "and column surely better in layout `sequence` than from codes without a network, and than "
        "in layout `grid` after equal training; in part: in some of the four",
        lab.place_in_codes,
    ),
    Claim(
        "edges-first",
        "App. D.3",
        "To keep the edges first preserves the picture",
        "a suggestion",
        "holds: at each N measured, surely lower rFD than by DTF alone, both with the paper's "
        "estimator; in part: at some",
        lab.edges_first,
    ),
    Claim(
        "speed",
        "Table 1",
        "8.7 times the throughput of 569 tokens",
        "× 8.7 (94.3 and 10.8 a second, A100)",
        "holds: 80 % of it or more, timed and counted in multiply-adds; in part: one of the two",
        rules.speed_up,
    ),
    Claim(
        "peers",
        "Table 1",
        "Global and patch tokens that enhance each other beat either alone, and both unfiltered",
        "rFID 1.51 (56.4 tokens), TiTok 1.70 (64), Hita 1.50 (569)",
        "holds: trained for equal time by the same code, at the bits of each peer (64 and 96 "
        "global tokens alone, patches alone, both unfiltered) ours has surely the higher PSNR and "
        "surely the lower rFD, with every seed that both were trained with; in part: some of it",
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
