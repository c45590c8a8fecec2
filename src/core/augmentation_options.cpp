#include "core/augmentation_options.h"

namespace fer_ddp {

bool AugmentationOptions::changes_images() const {
  const bool erases = erase_share > 0 && erase_side > 0;
  return flip > 0 || rotation > 0 || scale > 0 || aspect > 0 || shift > 0 || contrast > 0 || brightness > 0 || erases;
}

}  // namespace fer_ddp
