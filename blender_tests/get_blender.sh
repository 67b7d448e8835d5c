#!/bin/bash
# Bring a real Blender to a Debian machine, for the ring of tests that wants one:
#
#     blender_tests/get_blender.sh SUITE DIR        SUITE: trixie | sid
#
# Debian's Blender of SUITE and all it needs is unpacked into DIR and nothing else is touched: no chroot, no mounts,
# the system's own packages stay as they are. DIR/blender is a wrapper that runs it with that suite's own C library.
# MIRROR=URL names the Debian mirror (default: the one this machine's apt uses). Settings and extensions go where
# BLENDER_USER_RESOURCES says, which is the caller's business.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
suite=$1
dir=$(readlink -m "$2")
packages="blender python3-numpy python3-requests python3-zstandard python3-cattr
    libgl1-mesa-dri libegl1 libegl-mesa0 libgl1 libglx-mesa0 libxkbcommon0 libxrender1"

apt_mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -nE 's,^URIs: *([^ ]*/debian)/? *$,\1,p; s,^deb (\[[^]]*\] )?([a-z]+:[^ ]*/debian)/? .*,\2,p' | sed -n 1p || true
}

# apt with every path of its own, so that the machine's package lists and state are not touched. The release files of
# moving suites may be past their date on a mirror; their signatures are checked all the same.
private_apt() {
    apt-get -q -o "Dir::State=$dir/apt/state" -o "Dir::State::status=$dir/apt/state/status" \
        -o "Dir::Cache=$dir/apt/cache" -o "Dir::Etc=$dir/apt/etc" -o "Dir::Etc::sourcelist=$dir/apt/etc/sources.list" \
        -o Dir::Etc::sourceparts=- -o "Dir::Etc::preferencesparts=$dir/apt/etc/preferences.d" \
        -o APT::Install-Recommends=0 -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

download() {
    mkdir -p "$dir"/apt/{state/lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d}
    : > "$dir/apt/state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$dir/apt/etc/sources.list"
    # shellcheck disable=SC2086  # the list of packages is meant to be split
    { private_apt update && private_apt -y -d install $packages; } > "$dir/log" 2>&1 || { tail "$dir/log" >&2; exit 1; }
}

unpack() {
    local package
    for package in "$dir"/apt/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$dir" --keep-directory-symlink --exclude='./dev/*' \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
    done
    rm -rf "$dir/apt"
    for link in lib lib64; do
        [ -e "$dir/$link" ] || [ ! -d "$dir/usr/$link" ] || ln -s "usr/$link" "$dir/$link"
    done
}

wrap() {
    local libraries=$dir/usr/lib/x86_64-linux-gnu python
    python=$(basename "$(find "$dir/usr/lib" -maxdepth 1 -name 'python3.1?' | sort -V | tail -n 1)")
    cat > "$dir/blender" <<WRAPPER
#!/bin/sh
export PYTHONHOME="$dir/usr" BLENDER_SYSTEM_RESOURCES="$dir/usr/share/blender" BLENDER_SYSTEM_PYTHON="$dir/usr"
export LIBGL_DRIVERS_PATH="$libraries/dri" __EGL_VENDOR_LIBRARY_DIRS="$dir/usr/share/glvnd/egl_vendor.d"
export LIBGL_ALWAYS_SOFTWARE=1 LC_ALL=\${LC_ALL:-C.UTF-8}
export PYTHONPATH="$dir/usr/lib/python3/dist-packages\${PYTHONPATH:+:\$PYTHONPATH}"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$dir/usr/lib:$libraries/blas:$libraries/lapack:$libraries/pulseaudio" \
    "$dir/usr/bin/blender" --python-use-system-env "\$@"
WRAPPER
    # Blender's extension code starts its Python by path: that needs the suite's C library as well.
    [ -e "$dir/usr/bin/$python.bin" ] || mv "$dir/usr/bin/$python" "$dir/usr/bin/$python.bin"
    cat > "$dir/usr/bin/$python" <<WRAPPER
#!/bin/sh
export PYTHONHOME="$dir/usr"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$dir/usr/lib" "$dir/usr/bin/$python.bin" "\$@"
WRAPPER
    chmod +x "$dir/blender" "$dir/usr/bin/$python"
}

if [ ! -e "$dir/.complete" ]; then
    [ "$(dpkg --print-architecture)" = amd64 ] || { echo "only for amd64 machines" >&2; exit 1; }
    mirror=${MIRROR:-$(apt_mirror)}
    [ -n "$mirror" ] || { echo "apt's sources name no Debian mirror: set MIRROR" >&2; exit 1; }
    rm -rf "$dir"
    download
    unpack
    wrap
fi
"$dir/blender" -b --version 2>/dev/null | head -n 1
touch "$dir/.complete"
