# contrib: what surrounds the programs; none of it is built
EXTRA_DIST += contrib/try contrib/replay contrib/lib contrib/postfix contrib/sendmail contrib/systemd
