#!/bin/sh
# packages.sh - the Debian packages that Holdfast is built, shown and tested with
#
# usage: packages.sh need GROUP...         GROUP is build, try or test
#        packages.sh unpack-sendmail DIR   Sendmail beside Postfix, not installed
#
# `need` installs what is missing when root, and starts no service by it;
# otherwise it prints the one line that would, and ends with status 1.  It
# never removes a package: where another mail server is installed, it says so.
# The names are those of Debian 12 and 13.  Used by: contrib/try, tests/run.
set -eu

packages_build='gcc make autoconf automake pkgconf libc6-dev libmilter-dev libglib2.0-dev
  libjson-glib-dev libssl-dev libsystemd-dev libsqlite3-dev zlib1g-dev liblzma-dev
  libcunit1-dev python3'
packages_try='postfix e2fsprogs mount util-linux python3'
packages_test='postfix e2fsprogs xfsprogs btrfs-progs mount util-linux m4 strace libfaketime
  miltertest mandoc clang valgrind systemd-journal-remote python3'

say ()
{
  printf '%s\n' "$*" >&2
}

is_installed ()
{
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing PACKAGE... - prints those that are not installed
missing ()
{
  for package in "$@"; do
    is_installed "$package" || printf '%s ' "$package"
  done
}

# No service is started while policy-rc.d says 101; what stood there comes back.
policy=/usr/sbin/policy-rc.d
hold_services ()
{
  kept=
  if [ -e "$policy" ]; then
    kept=$(mktemp "$policy.XXXXXX")
    cp -p "$policy" "$kept"
  fi
  trap release_services EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
}

release_services ()
{
  if [ -n "$kept" ]; then
    mv -f "$kept" "$policy"
  else
    rm -f "$policy"
  fi
}

apt ()
{
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" < /dev/null
}

# Postfix comes without a configuration: its own instance has nothing to start with.
install_packages ()
{
  hold_services
  apt update >&2 || say "packages.sh: the list of packages could not be brought up to date; going on with what is there"
  case " $* " in
    *' postfix '*)
      echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections ;;
  esac
  apt install -y --no-install-recommends --no-remove "$@" >&2 || {
    say "packages.sh: could not install: $*"
    say "Where another mail server is installed, Postfix can't be beside it: use a fresh machine or container."
    exit 1
  }
  release_services
  trap - EXIT HUP INT TERM
}

need ()
{
  command -v dpkg-query > /dev/null 2>&1 || {
    say "packages.sh: no Debian packages on this machine; taking it that these are there: $*"
    return
  }
  # Word splitting is meant: the lists and the answer are names apart.
  absent=$(missing "$@")
  [ -n "$absent" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    say "Some packages are missing. As root:"
    say "    apt-get install --no-install-recommends $absent"
    exit 1
  fi
  say "Installing: $absent"
  install_packages $absent
}

# The libraries that Sendmail needs, from its own package: their names differ between releases.
sendmail_libraries ()
{
  dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ |]*\).*/\1/p'
}

download ()
{
  apt download "$@" 2> /dev/null && return
  apt update >&2
  apt download "$@" >&2
}

unpack_sendmail ()
{
  tree=$1
  # Several may ask at once: all but the first wait, and find it done.
  exec 9> "$tree.lock"
  flock 9
  [ ! -e "$tree/complete" ] || return 0
  rm -rf "$tree"
  mkdir -p "$tree/packages"
  (cd "$tree/packages" && download sendmail-bin sendmail-cf)
  need $(sendmail_libraries "$tree"/packages/sendmail-bin_*.deb)
  for file in "$tree"/packages/*.deb; do
    dpkg-deb -x "$file" "$tree/root"
  done
  chmod g-s "$tree/root/usr/libexec/sendmail/sendmail"
  : > "$tree/complete"
}

usage ()
{
  say "usage: packages.sh need build|try|test ...
       packages.sh unpack-sendmail DIR"
  exit 2
}

[ $# -ge 2 ] || usage
verb=$1
shift
case $verb in
  need)
    wanted=
    for group in "$@"; do
      case $group in
        build) wanted="$wanted $packages_build" ;;
        try) wanted="$wanted $packages_try" ;;
        test) wanted="$wanted $packages_test" ;;
        *) usage ;;
      esac
    done
    need $wanted ;;
  unpack-sendmail) unpack_sendmail "$1" ;;
  *) usage ;;
esac
