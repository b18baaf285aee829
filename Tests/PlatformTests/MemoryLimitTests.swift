import Platform
import Testing

@Suite("Memory limit") struct MemoryLimitTests {
  private static let gibibyte = 1 << 30

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let files: [String: String]
    let expected: Int
  }

  static let cases = [
    Case(testDescription: "no control groups", files: [:], expected: 16 << 30),
    Case(
      testDescription: "version 2, no limit",
      files: ["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n"],
      expected: 16 << 30),
    Case(
      testDescription: "version 2, own limit",
      files: ["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "1073741824\n"],
      expected: 1 << 30),
    Case(
      testDescription: "version 2, the limit of a group above",
      files: [
        "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "3221225472\n",
        "/sys/fs/cgroup/a/memory.max": "2147483648\n",
      ], expected: 2 << 30),
    Case(
      testDescription: "version 2, throttled earlier",
      files: [
        "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/memory.high": "2147483648\n",
      ], expected: 2 << 30),
    Case(
      testDescription: "version 2, a path of the host in a container",
      files: [
        "/proc/self/cgroup": "0::/../../docker/f00\n",
        "/sys/fs/cgroup/memory.max": "4294967296\n",
      ], expected: 4 << 30),
    Case(
      testDescription: "version 1",
      files: [
        "/proc/self/cgroup": "9:cpu,cpuacct:/c\n4:memory:/x/y\n0::/\n",
        "/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "536870912\n",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/cpu/c/memory.limit_in_bytes": "1\n",
      ], expected: 512 << 20),
    Case(
      testDescription: "more than the machine has",
      files: ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "99999999999999\n"],
      expected: 16 << 30),
    Case(
      testDescription: "files that say nothing",
      files: ["/proc/self/cgroup": "::::\nmemory\n0::\n", "/sys/fs/cgroup/memory.max": "much"],
      expected: 16 << 30),
    Case(
      testDescription: "a limit of nothing",
      files: ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "0\n"], expected: 4096),
  ]

  @Test(arguments: cases)
  func takesTheLeastThatHolds(_ one: Case) {
    let limit = MemoryLimit(machineBytes: 16 << 30) { one.files[$0] }
    #expect(limit.bytes == one.expected)
    #expect(limit.isOfControlGroup == (one.expected < 16 << 30))
  }

  @Test func thisProcessHasSome() {
    #expect(MemoryLimit.ofThisProcess().bytes > 64 << 20)
  }
}
