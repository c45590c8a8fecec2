#include "report/page/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

// A fragment: literal markup, and after all but the last piece the place that follows it.
struct Piece {
  std::string_view markup;
  std::string_view place;  // empty: none
};

using Fragment = std::vector<Piece>;

// "a{{b}}c" -> {"a", b}, {"c"}.
Fragment pieces_of(std::string_view text) {
  Fragment pieces;
  for (;;) {
    const size_t begin = text.find("{{");
    const size_t end = text.find("}}", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) break;
    pieces.push_back({text.substr(0, begin), text.substr(begin + 2, end - begin - 2)});
    text.remove_prefix(end + 2);
  }
  pieces.push_back({text, {}});
  return pieces;
}

void add_fragments(std::string_view text, std::map<std::string_view, Fragment>& fragments) {
  constexpr std::string_view kBegin = "<template id=\"";
  constexpr std::string_view kEnd = "</template>";
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin)) {
    text.remove_prefix(at + kBegin.size());
    const size_t quote = text.find('"');
    const size_t end = text.find(kEnd);
    fragments[text.substr(0, quote)] = pieces_of(text.substr(quote + 2, end - quote - 2));
    text.remove_prefix(end + kEnd.size());
  }
}

const std::map<std::string_view, Fragment>& all_fragments() {
  static const std::map<std::string_view, Fragment> kFragments = [] {
    std::map<std::string_view, Fragment> fragments;
    for (const BuiltInTemplate& file : built_in_templates())
      if (std::string_view(file.name).ends_with(".html")) add_fragments(file.text, fragments);
    return fragments;
  }();
  return kFragments;
}

Error template_error(std::string_view fragment, std::string_view what, std::string_view place) {
  return machine_error(fmt::format("the report's template {} {} {}", fragment, what, place));
}

}  // namespace

Html html_of(std::string_view text) { return {escape_html(text)}; }

Html fill(std::string_view fragment, std::initializer_list<Place> places) {
  const auto found = all_fragments().find(fragment);
  if (found == all_fragments().end()) throw template_error(fragment, "is not", "there");
  Html filled;
  size_t used = 0;
  std::vector<bool> is_used(places.size());
  for (const Piece& piece : found->second) {
    filled.markup += piece.markup;
    if (piece.place.empty()) continue;
    const auto* place =
        std::find_if(places.begin(), places.end(), [&piece](const Place& given) { return given.name == piece.place; });
    if (place == places.end()) throw template_error(fragment, "is given nothing for", piece.place);
    filled += place->content;
    const auto index = static_cast<size_t>(place - places.begin());
    if (!is_used[index]) ++used;
    is_used[index] = true;
  }
  if (used != places.size())
    throw template_error(fragment, "has fewer places than it is given:", fmt::format("{}", places.size()));
  return filled;
}

Html cell(const std::string& value, const Html& detail) { return fill("cell", {{"value", value}, {"detail", detail}}); }

Html small(const std::string& text) { return fill("small", {{"text", text}}); }

Html style_sheet() {
  const auto& files = built_in_templates();
  const auto found = std::find_if(files.begin(), files.end(), [](const BuiltInTemplate& file) {
    return std::string_view(file.name) == "style.css";
  });
  if (found == files.end()) throw template_error("style.css", "is not", "there");
  return {found->text};
}

std::string html_page(const std::string& title, const std::string& words, const Html& body, const std::string& footer) {
  return fill("page", {{"title", title},
                       {"style", style_sheet()},
                       {"header", fill("header", {{"title", title}, {"words", words}})},
                       {"body", body},
                       {"footer", footer}})
      .markup;
}

std::string pixels_text(double value) { return fmt::format("{:.1f}", value); }

std::vector<std::string> fragment_names() {
  std::vector<std::string> names;
  for (const auto& [name, fragment] : all_fragments()) names.emplace_back(name);
  return names;
}

}  // namespace fer_ddp
