// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing

/// How many runs of each search still searched after what steps, or executions: one panel a
/// specimen, in an SVG file that needs nothing beside itself.
struct SurvivalPlot {
  let table: ComparisonTable
  /// Where curves end.
  let limit: Int

  private static let colors = [
    "#3367d6", "#d9480f", "#2b8a3e", "#9c36b5", "#868e96", "#c2255c", "#0b7285", "#e8b100",
  ]
  private static let columns = 3
  private static let (panelWidth, panelHeight) = (280.0, 190.0)
  /// The curve's place in a panel.
  private static let (left, top, width, height) = (34.0, 30.0, 226.0, 120.0)
  /// A name of the legend.
  private static let (nameWidth, nameHeight) = (135, 20)

  private var width: Int { Int(Self.panelWidth) * min(Self.columns, max(1, table.rows.count)) }
  private var namesPerLine: Int { width / Self.nameWidth }
  private var legendHeight: Int {
    14 + (table.searches.count + namesPerLine - 1) / namesPerLine * Self.nameHeight
  }

  var text: String {
    let lines = (table.rows.count + Self.columns - 1) / Self.columns
    let height = legendHeight + Int(Self.panelHeight) * lines
    let panels = table.rows.indices.map(panel).joined(separator: "\n")
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" \
      width="\(width)" height="\(height)" font-family="sans-serif" font-size="10" role="img">
      <title>Share of runs that still search, by \(table.unit.name)</title>
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(legend)
      \(panels)
      </svg>

      """
  }

  private var legend: String {
    table.searches.indices.map { search in
      let x = 10 + Self.nameWidth * (search % namesPerLine)
      let y = 16 + Self.nameHeight * (search / namesPerLine)
      return "<path d=\"M\(x) \(y)h18\" stroke=\"\(color(search))\" stroke-width=\"2\"/>"
        + "<text x=\"\(x + 24)\" y=\"\(y + 4)\">\(XMLText.escaped(table.searches[search]))</text>"
    }.joined(separator: "\n")
  }

  private func color(_ search: Int) -> String { Self.colors[search % Self.colors.count] }

  private func panel(_ row: Int) -> String {
    let x = Self.panelWidth * Double(row % Self.columns)
    let y = Double(legendHeight) + Self.panelHeight * Double(row / Self.columns)
    let survivals = table.rows[row].trials.map(Survival.init)
    let least = survivals.compactMap(\.drops.first?.steps).min() ?? 1
    let scale = Scale(from: least, to: limit)
    let curves = survivals.indices.map { curve(survivals[$0], color($0), scale) }
    return """
      <g transform="translate(\(Int(x)) \(Int(y)))">
      <text x="\(Int(Self.left))" y="18" font-size="12">\(XMLText.escaped(table.rows[row].specimen))</text>
      \(axes(scale))
      \(curves.joined(separator: "\n"))
      </g>
      """
  }

  private func axes(_ scale: Scale) -> String {
    let bottom = Self.top + Self.height
    let frame =
      "<path d=\"M\(Self.left) \(Self.top)v\(Self.height)h\(Self.width)\" fill=\"none\" "
      + "stroke=\"#868e96\"/>"
    let shares = [(1.0, "1"), (0.5, "0.5"), (0.0, "0")].map { share, word in
      "<text x=\"\(Self.left - 5)\" y=\"\(Self.point(Self.y(share) + 3))\" "
        + "text-anchor=\"end\">\(word)</text>"
    }
    let powers = scale.powers.map { power in
      let x = Self.point(Self.x(scale.place(power.value)))
      return "<path d=\"M\(x) \(bottom)v4\" stroke=\"#868e96\"/><text x=\"\(x)\" "
        + "y=\"\(bottom + 16)\" text-anchor=\"middle\">\(power.name)</text>"
    }
    return ([frame] + shares + powers).joined(separator: "\n")
  }

  /// A staircase, with a stroke through it where runs were given up.
  private func curve(_ survival: Survival, _ color: String, _ scale: Scale) -> String {
    var path = "M\(Self.point(Self.left)) \(Self.point(Self.y(1)))"
    for drop in survival.drops {
      path += "H\(Self.point(Self.x(scale.place(Double(drop.steps)))))"
      path += "V\(Self.point(Self.y(drop.share)))"
    }
    let end = survival.givenUp.last ?? survival.end
    path += "H\(Self.point(Self.x(scale.place(Double(end)))))"
    for steps in Set(survival.givenUp).sorted() {
      let share = survival.drops.last { $0.steps <= steps }?.share ?? 1
      let x = Self.point(Self.x(scale.place(Double(steps))))
      path += "M\(x) \(Self.point(Self.y(share) - 4))v8"
    }
    return "<path d=\"\(path)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.5\"/>"
  }

  private static func x(_ place: Double) -> Double { left + place * width }
  private static func y(_ share: Double) -> Double { top + (1 - share) * height }

  /// One decimal is finer than anybody sees.
  private static func point(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// Steps by their logarithm, from 0 to 1.
  private struct Scale {
    private let (low, high): (Double, Double)

    init(from least: Int, to limit: Int) {
      let end = log10(Double(max(10, limit)))
      (low, high) = (min(floor(log10(Double(max(1, least)))), end - 1), end)
    }

    func place(_ steps: Double) -> Double {
      max(0, min(1, (log10(max(1, steps)) - low) / (high - low)))
    }

    var powers: [(value: Double, name: String)] {
      let names = ["1", "10", "100", "1k", "10k", "100k", "1M", "10M", "100M", "1G"]
      return names.indices.filter { Double($0) >= low && Double($0) <= high }.map {
        (pow(10, Double($0)), names[$0])
      }
    }
  }
}
