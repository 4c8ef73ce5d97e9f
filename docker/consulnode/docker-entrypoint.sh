#!/bin/sh
# What a container runs, below the reaper of orphans; docs/consulnode.md has the contract. It ends
# by becoming what it was told to run.
set -eu

CONSUL_DATA_DIR=/consul/data
CONSUL_CONFIG_DIR=/consul/config

# address_of VARIABLE: the first IPv4 address of the interface that the variable names, or else its
# first global one of IPv6.
address_of() {
    eval "interface=\$$1"
    found=$({
        ip -o -4 address show dev "$interface"
        ip -o -6 address show dev "$interface" scope global
    } | awk '{ sub("/.*", "", $4); print $4; exit }')
    if [ -z "$found" ]; then
        echo "docker-entrypoint.sh: $1: no address on the interface '$interface'" >&2
        return 1
    fi
    echo "$found"
}

if [ -n "${CONSUL_LOCAL_CONFIG-}" ]; then
    # Settings may hold keys: a new file is its owner's alone.
    (umask 077 && printf '%s\n' "$CONSUL_LOCAL_CONFIG" >"$CONSUL_CONFIG_DIR/local.json")
fi

if [ "${1-}" = agent ]; then
    shift
    if [ -n "${CONSUL_CLIENT_INTERFACE-}" ]; then
        address=$(address_of CONSUL_CLIENT_INTERFACE)
        set -- "-client=$address" "$@"
    fi
    if [ -n "${CONSUL_BIND_INTERFACE-}" ]; then
        address=$(address_of CONSUL_BIND_INTERFACE)
        set -- "-bind=$address" "$@"
    fi
    set -- consul agent "-data-dir=$CONSUL_DATA_DIR" "-config-dir=$CONSUL_CONFIG_DIR" "$@"
else
    # What begins with a dash is for consul, and so is each of its commands; a whole command line
    # of `consul` stays as it is.
    case ${1-} in
        consul) ;;
        -*) set -- consul "$@" ;;
        *) if consul "${1-}" -help >/dev/null 2>&1; then set -- consul "$@"; fi ;;
    esac
fi

if [ "$1" != consul ] || [ "$(id -u)" != 0 ] || [ -n "${CONSUL_DISABLE_PERM_MGMT-}" ]; then
    exec "$@"
fi

# Volumes come with the owner that they had outside. Where it cannot be changed, as on a folder that
# is mounted for reading, the files may still be readable.
for folder in "$CONSUL_DATA_DIR" "$CONSUL_CONFIG_DIR"; do
    if [ "$(stat -c %u "$folder")" != "$(id -u consul)" ]; then
        chown -R consul:consul "$folder" || echo "docker-entrypoint.sh: $folder stays as it is" >&2
    fi
done
if [ -n "${CONSUL_LOCAL_CONFIG-}" ]; then
    chown consul:consul "$CONSUL_CONFIG_DIR/local.json" ||
        echo "docker-entrypoint.sh: local.json stays as it is" >&2
fi
export HOME=/consul
if [ -n "${CONSUL_ALLOW_PRIVILEGED_PORTS-}" ]; then
    set -- --inh-caps=+net_bind_service --ambient-caps=+net_bind_service "$@"
fi
exec setpriv --reuid=consul --regid=consul --init-groups "$@"
