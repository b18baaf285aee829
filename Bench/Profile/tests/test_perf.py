"""What is made of perf's text, on a small piece of it."""

import xml.etree.ElementTree

import flame_graph
import perf
import summary
import symbols
from samples import Frame, Profile

SCRIPT = """\
perf-exec     0/0     PERF_RECORD_COMM: perf-exec:100/100
seandb-bench   100/100   PERF_RECORD_COMM exec: seandb-bench:100/100
seandb-bench   100/100      2000000 
\tffffffff816b9563 __x64_sys_pwrite64 ([kernel.kallsyms])
\t           f64c7 __libc_pwrite (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t          3201f0 $s3LSM8SkipListC6insert_5valueyAA11InternalKeyV_SWtF (/opt/seandb-bench)
\t           2724a _start (/opt/seandb-bench)

rocksdb:low12   100/102      3000000 
\t           10000 rocksdb::Cache<rocksdb::Slice>::Get (/opt/seandb-bench)
\t           20000 clone3 (/usr/lib/x86_64-linux-gnu/libc.so.6)

sh   200/200   PERF_RECORD_COMM exec: server:200/200
NIO-ELT-0-#1   200/201      5000000 
\t           30000 [unknown] (/tmp/out/server (deleted))

"""


def test_samples_become_stacks_of_a_process_and_its_threads():
    assert perf.parse(SCRIPT) == {
        (
            ("seandb-bench",),
            (
                ("_start", "/opt/seandb-bench"),
                ("$s3LSM8SkipListC6insert_5valueyAA11InternalKeyV_SWtF", "/opt/seandb-bench"),
                ("__libc_pwrite", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
                ("__x64_sys_pwrite64", "[kernel.kallsyms]"),
            ),
        ): 2_000_000,
        (
            ("seandb-bench", "thread rocksdb:low*"),
            (
                ("clone3", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
                ("rocksdb::Cache<rocksdb::Slice>::Get", "/opt/seandb-bench"),
            ),
        ): 3_000_000,
        (("server", "thread NIO-ELT-*-#*"), (("[unknown]", "/tmp/out/server (deleted)"),)): 5_000_000,
    }


def test_a_function_belongs_to_its_module():
    program = "/opt/seandb-bench"
    assert symbols.module("$s3LSM8SkipListC6insert_5valueyAA11InternalKeyV_SWtF", program) == "LSM"
    assert symbols.module("$s12seandb_bench5StoreV3runyyF", program) == "seandb-bench"
    assert symbols.module("$s8NIOPosix18SelectableEventLoopC3runyyKF", program) == "SwiftNIO"
    assert symbols.module("$sSS6appendyySSF", program) == "Swift"
    assert symbols.module("swift_retain", program) == "Swift runtime"
    assert symbols.module("rocksdb::DBImpl::Get", program) == "RocksDB"
    # Of a static library, one function that others see and one that they do not.
    assert symbols.module("nghttp2_session_mem_recv", program) == "nghttp2"
    assert symbols.module("session_process_headers_frame", program) == "nghttp2"
    assert symbols.module("malloc", "/usr/lib/x86_64-linux-gnu/libc.so.6") == "libc"
    assert symbols.module("vfs_write", "[kernel.kallsyms]") == "kernel"
    assert symbols.module("main", "/usr/bin/dpkg-query") == "dpkg-query"


def test_template_arguments_are_left_out():
    assert symbols.shorten("rocksdb::List<rocksdb::Key<int> const&>::Insert<false>") == "rocksdb::List::Insert"
    assert symbols.shorten("operator<<") == "operator<<"
    assert symbols.shorten("__libc_start_main@@GLIBC_2.34") == "__libc_start_main"


def made_up() -> Profile:
    """Two processes: in one, `outer` takes 1 s itself, and 3 s in `inner`, which calls itself for 1 of them."""
    one, two = Frame("one", ""), Frame("two", "")
    outer, inner = Frame("outer", "LSM"), Frame("inner<&>", "zstd")
    return Profile(
        {
            (one, outer): 1_000_000_000,
            (one, outer, inner): 2_000_000_000,
            (one, outer, inner, inner): 1_000_000_000,
            (two, outer): 6_000_000_000,
        }
    )


def test_the_summary_tells_own_time_from_time_with_calls():
    text = summary.text(made_up(), "seandb-bench engine")
    assert "10.00 s of processor time" in text
    assert text.index("--- two: 6.00 s") < text.index("--- one: 4.00 s")
    part = text[text.index("--- one") :]
    assert "  75.0%       75.0%  inner<&>  [zstd]" in part
    assert "  25.0%      100.0%  outer  [LSM]" in part


def test_a_focus_leaves_other_stacks_out():
    focused = made_up().focused("inner")
    assert focused.total == 3_000_000_000
    assert "named like inner" in summary.text(focused, "")


def test_the_flame_graph_is_as_wide_as_the_time():
    image = xml.etree.ElementTree.fromstring(flame_graph.svg(made_up(), "a <title>"))
    boxes = {}
    for group in image.iter("{http://www.w3.org/2000/svg}g"):
        rectangle = group.find("{http://www.w3.org/2000/svg}rect")
        name = group.find("{http://www.w3.org/2000/svg}title").text.split(":")[0]
        boxes.setdefault(name, []).append((float(rectangle.get("width")), int(rectangle.get("y"))))
    assert boxes["all"][0][0] == 1180
    assert sorted(width for width, _ in boxes["outer [LSM]"]) == [472, 708]
    (below, low), (above, high) = boxes["inner<&> [zstd]"]
    assert (below, above) == (354, 118) and high < low
