"""Real clients, those of Debian and those of today, pull and push with the helper.

`run` starts these tests; an ordinary run of pytest leaves them out.

    run           enters namespaces with the names and addresses of hosts
    packages.txt  Debian packages, and the program that each is needed for
    catalogue     today's clients: what they are built from, and how they are used
    build         builds them, with programs/ of ours that use a library
    asks.toml     what each client asks the helper
    table         the README's table, of what became of the tests of each client
    recorder      a helper that notes what it is asked
    network       those names, and a certificate for them
    servers       the registry and the docker engine
    machine       one person's home, where clients run
    terminal      where that person sits and types
    fallback      another credential helper, for registries that are not ECR
    kubelet/      a program in Go of what kubelet does to look up credentials
"""
