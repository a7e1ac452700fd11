"""The demonstration: the helper at work against an emulated AWS, in a minute.

``make demo`` runs it. It needs no account, no root and no network, keeps to a
temporary directory, and checks what it shows.

    show      how a step looks, and whether it gave what it should
    steps     what is shown
    images    a real push and pull, where the programs for it are installed
"""
