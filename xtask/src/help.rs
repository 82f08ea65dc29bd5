//! The text of `cargo xtask help`.

pub(crate) const TEXT: &str = "\
cargo xtask COMMAND: needs nothing installed but Rust (and a C compiler, for the TLS and tracing crates)

  demo [--release] [ARGUMENTS]
      Builds the proxy and the practice farm and mines for two minutes without a cluster: embedded pools that
      judge every share, simulated miners that do real work, the proxy between them, and a page to look at.
      ARGUMENTS go to the demo as they are; `cargo xtask demo --help` lists them. The most useful:
        --miners N       how many simulated miners
        --duration TIME  how long, e.g. 30s or 5m
        --listen ADDR    a real miner may join there
        --pool stratum+tcp://HOST:PORT --user NAME   mine on a real pool
        --json           the summary for machines
      --release builds optimised as shipped: slower to build, for measuring.

  test [--only LEVEL]... [--list]
      Runs every level of test, keeps going after a failure, and ends with one line of counts and a line for
      each thing that this machine could not run. Output of each step: target/xtask-test/.
      --only LEVEL  only this level; may be repeated
      --list        prints the steps, and runs none

  bugs [--only NAME]... [--list]
      Puts each of the mistakes in tests/bugs/ into a copy of the tree (target/xtask-bugs/), one at a time, and fails
      unless the tests that it names find it. docs/testing.md says how long that takes.
      --only NAME  only those with this in their name; may be repeated
      --list       prints them, and tries none

  bench [--only SCENE]... [--against NAME]... [--rounds N] [--json FILE] | --docs
      The proxy as it is shipped beside haproxy, nginx and no proxy at all (docs/performance.md): CPU, latency, fan-out and
      memory, in turn, with the ratios of each round. Needs two cores; fetches the relays. Results: target/bench/.
      --only SCENE    only scenes with this in their name (cost, latency, fan-out, idle, failover, many); may be repeated
      --against NAME  only beside these (direct, haproxy, nginx, or what is found on the PATH: ckproxy, slush, stratehm);
                      may be repeated
      --docs          measures nothing, and draws the plots of docs/performance/ out of what was measured last

  counts
      Instructions of the core's paths outside of SHA-256's compression function, and how often that is called, for one
      more submit, job and so on, by callgrind; and how much longer a share's verification takes than its compressions
      alone. Fails when a budget (tests/counts/budget.json) is missed.

  heap [--release]
      What the heap of the proxy grows by for each idle miner, plain and over TLS, by what is allocated and where, by
      valgrind's DHAT; fails when a budget (tests/it/idle_heap.json) is missed. A step of `test`.
      --release  as shipped, and against no budget

  flamegraph [SCENE]
      Where the proxy's time goes, as shipped, in a scene of the bench (by default its closed loop of 256 miners, no share
      due): a picture for a browser in target/flamegraph/. Needs Linux; fetches perf. See `bench` for the scenes.

  fuzz [frame|message|downstream|upstream]... [--for TIME]
      What peers may send, by libFuzzer: builds stratum/fuzz (needs a C++ compiler) and gives each target ten minutes, or
      TIME (90s, 10m, 2h). Ends at the first input that breaks one. What is new goes to target/xtask-fuzz/.

  paid [--short | --sockets] [--dev] [ARGUMENTS]
      The paid-work experiment (docs/paid-work.md): 600 machines over a day of virtual time behind the proxy and on
      direct connections, with the same tickets, pools and faults; what each loses, phase by phase, against an
      oracle. Fails when a goal or a budget (tests/paid/budget.yaml) is missed. Results: target/paid-work/.
      --short       60 machines, two hours, one event of each kind: a step of `test`
      --sockets     200 machines on real sockets, with real processes, for 20 minutes
      --dev         not optimised: slower to run, faster to build
      --machines N, --seed N, --pause SECONDS (between two tickets of a middling machine)

  propagation [--edits N]
      How long an edit takes from the write to the last acknowledgement of 20 pods, in a cluster of our own (what
      `test --only node` needs): prints the distribution. Without --edits, of 100 edits.

  soak [--attack] [--minutes N] [--miners N] [--seed N]
      A farm on real sockets that is troubled without end: pools die, restart, fall silent, and the configuration changes
      every ten seconds. Ends with the books compared, the memory, and the paid work. Without arguments: an hour, 2000 miners.
      --attack  instead, strangers do all that they may try around 500 honest miners (docs/hostile-peers.md)

  tidy
      The house rules that a compiler does not know: which crate may use which, which module of the proxy may
      use which, sizes of functions and files, names, files that nobody references, paths in documents.

  tools [--only api|node] [--print]
      Builds what the tests on Kubernetes run and no machine has, from pinned sources, into a cache outside of the
      tree: etcd, kube-apiserver, kubectl and kube-controller-manager (api; about 10 minutes the first time, needs Go);
      the rest of Kubernetes, Helm, CoreDNS, a collector of traces and a container runtime (node; 7 more).
      `cargo xtask test` does it by itself when it is due.
      --print  builds nothing, and prints the variables by which tests find it: eval \"$(cargo xtask tools --print)\"

  codegen [--check]
      Writes the generated files: crds/*.yaml and their copies in the chart, docs/metrics.md, docs/values.md.
      --check  writes nothing, and fails if one differs from what the code says

  help
      This text.
";
