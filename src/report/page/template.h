// The page's templates: files of page/templates, built in. An HTML file holds fragments, <template id="NAME">, in which
// {{place}} stands for what C++ puts there; style.css is taken as it is. Text is escaped on its way in, and only what
// was made by fill() goes in as it is: no value of a run can become markup. Pure, thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

// Markup that is whole.
struct Html {
  std::string markup{};

  [[nodiscard]] bool empty() const { return markup.empty(); }
  Html& operator+=(const Html& more) {
    markup += more.markup;
    return *this;
  }
  friend Html operator+(Html one, const Html& other) { return one += other; }
};

// Text as markup that shows it.
[[nodiscard]] Html html_of(std::string_view text);

// What goes into a place of a fragment.
struct Place {
  Place(std::string_view place, Html html) : name(place), content(std::move(html)) {}
  Place(std::string_view place, std::string_view text) : name(place), content(html_of(text)) {}
  Place(std::string_view place, const std::string& text) : Place(place, std::string_view(text)) {}
  Place(std::string_view place, const char* text) : Place(place, std::string_view(text)) {}

  std::string_view name;
  Html content;
};

// Throws Error (ours) where there is no such fragment, or its places are others than those that are given.
[[nodiscard]] Html fill(std::string_view fragment, std::initializer_list<Place> places = {});

// A table's cell: a value, and what stands under it.
[[nodiscard]] Html cell(const std::string& value, const Html& detail = {});
[[nodiscard]] Html small(const std::string& text);

[[nodiscard]] Html style_sheet();

// A whole page in the report's style: `title` and `words` stand on top of it.
[[nodiscard]] std::string html_page(const std::string& title, const std::string& words, const Html& body,
                                    const std::string& footer);

// As in a path or a width: one decimal.
[[nodiscard]] std::string pixels_text(double value);

struct BuiltInTemplate {
  const char* name;  // of the file
  const char* text;
};

[[nodiscard]] const std::vector<BuiltInTemplate>& built_in_templates();

// The names of the fragments of all files.
[[nodiscard]] std::vector<std::string> fragment_names();

}  // namespace fer_ddp
