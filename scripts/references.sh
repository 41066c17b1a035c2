# shellcheck shell=bash disable=SC2034
# The services' image references, as the product's settings have them by default.
TRAEFIK=traefik:v3.7.15
OVENMEDIAENGINE=airensoft/ovenmediaengine:v0.21.0
MIROTALK_SFU=mirotalk/sfu:2.3.77
MIROTALK_P2P=mirotalk/p2p:1.9.11
