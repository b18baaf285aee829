import Glibc

/// Ranks from 0 on, the lower the more often: rank i in proportion to 1 / (i + 1)^θ.
///
/// Gray, Sundaresan, Englert, Baclawski, Weinberger, "Quickly generating billion-record synthetic databases",
/// SIGMOD 1994; as YCSB does it (ZipfianGenerator.java). Rank 0 and 1 have their exact shares, the rest follow a
/// continuous curve, so that a number costs one power and no table.
package struct Zipfian: Sendable {
  /// That of YCSB.
  package static let usualTheta = 0.99
  /// The sum is taken term by term up to here, and after it as an integral.
  private static let exactTermCount = 1000

  /// Ranks there are.
  package private(set) var count: Int
  private let theta: Double
  private let alpha: Double
  private let secondShare: Double
  private var zeta: Double
  private var eta = 0.0

  /// - Parameter theta: from 0 up to but without 1; the larger the more uneven.
  /// - Precondition: `count` is positive.
  package init(count: Int, theta: Double = usualTheta) {
    precondition(count > 0 && theta >= 0 && theta < 1, "out of range")
    self.count = count
    self.theta = theta
    alpha = 1 / (1 - theta)
    secondShare = 1 + pow(0.5, theta)
    zeta = Self.zeta(count, theta)
    setEta()
  }

  /// Makes the ranks more: a power for each new one.
  package mutating func grow(to newCount: Int) {
    guard newCount > count else { return }
    while count < newCount {
      count += 1
      zeta += 1 / pow(Double(count), theta)
    }
    setEta()
  }

  private mutating func setEta() {
    eta = (1 - pow(2 / Double(count), 1 - theta)) / (1 - secondShare / zeta)
  }

  package func next(_ random: inout SplitMix64) -> Int {
    let uniform = Double(random.next() >> 11) * 0x1p-53
    let scaled = uniform * zeta
    if scaled < 1 { return 0 }
    if scaled < secondShare { return min(1, count - 1) }
    let rank = Double(count) * pow(eta * uniform - eta + 1, alpha)
    return min(Int(rank), count - 1)
  }

  /// The sum of 1 / i^θ for i from 1 to `count`.
  ///
  /// Behind the first terms by Euler and Maclaurin's formula; the error is below 1e-12.
  package static func zeta(_ count: Int, _ theta: Double) -> Double {
    let exactCount = min(count, exactTermCount)
    var sum = 0.0
    for term in 1...exactCount { sum += pow(Double(term), -theta) }
    guard count > exactCount else { return sum }
    let (begin, end) = (Double(exactCount), Double(count))
    let integral = (pow(end, 1 - theta) - pow(begin, 1 - theta)) / (1 - theta)
    let edges = (pow(end, -theta) - pow(begin, -theta)) / 2
    let slopes = -theta * (pow(end, -theta - 1) - pow(begin, -theta - 1)) / 12
    return sum + integral + edges + slopes
  }
}
