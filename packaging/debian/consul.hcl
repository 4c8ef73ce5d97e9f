# Settings of the Consul agent that consul.service runs. Every key is explained in
# /usr/share/doc/tribune/consul-configuration.md.gz. All files that end in .hcl or .json in this
# folder are read, in the order of their names.
#
# Set what this machine is to be, then: systemctl enable --now consul

# Everything that outlives the process. consul.service makes this folder.
data_dir = "/var/lib/consul"

# A datacenter of one server.
#server = true
#bootstrap_expect = 1

#datacenter = "dc1"

# Where other agents reach this one, if the machine has more than one address.
#bind_addr = "{{ GetInterfaceIP \"eth0\" }}"

# Where the API is served; 0.0.0.0 lets the whole network ask and change.
#client_addr = "127.0.0.1"

# A key of `consul keygen` seals the gossip.
#encrypt = ""
