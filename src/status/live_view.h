// The whole terminal of `fer-ddp status --watch`: how far the run is, its curves as they grow, a row a rank, and what
// the keys do. Drawn for 80 x 24 over a slow line as well as for a large window. Pure functions; epochs from 1.
#pragma once

#include <span>
#include <string>

#include "core/epoch_record.h"
#include "status/snapshot.h"

namespace fer_ddp {

struct ViewSize {
  int columns = 80;
  int rows = 24;
  bool colours = true;
};

// `footer` is the last line: the keys, or a question. At most `size.rows` lines of at most `size.columns` characters,
// joined by newlines, none at the end; a window too small for curves gets status_screen()'s text.
[[nodiscard]] std::string live_view(const StatusSnapshot& status, std::span<const EpochRecord> history,
                                    const std::string& footer, ViewSize size);

}  // namespace fer_ddp
