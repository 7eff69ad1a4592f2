# contrib: what surrounds the programs; none of it is built
EXTRA_DIST += contrib/try contrib/lib contrib/postfix contrib/sendmail contrib/systemd
