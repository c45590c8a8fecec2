// `fer-ddp verify SHARDS`: checks every shard and the manifest.
#include "data/verify.h"

#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "data/counts_table.h"
#include "launcher/command.h"

namespace fer_ddp {

namespace {

int run_verify(const std::filesystem::path& shards, Session& session) {
  const Manifest manifest = verify_shards(shards, session.communicator());
  run_on_rank_0(session.communicator(), [&] {
    print_result(fmt::format("{}: {} sound {} of {} ({} rows, split {})\n{}", shards.string(), manifest.shard_count(),
                             manifest.shard_count() == 1 ? "shard" : "shards", manifest.source.name,
                             grouped(manifest.source.rows), choice_word(manifest.split_rule), counts_table(manifest)));
  });
  return 0;
}

}  // namespace

void add_verify_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("verify", "Checks every shard of a folder, and its manifest");
  const auto shards = std::make_shared<std::filesystem::path>();
  command->add_option("SHARDS", *shards, "The folder that holds manifest.json")->required();
  command->callback(
      [shards, &chosen] { chosen = [shards](Session& session) { return run_verify(*shards, session); }; });
}

}  // namespace fer_ddp
