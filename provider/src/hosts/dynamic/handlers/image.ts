// The path of this module is in the state of every stack that has an image. It cannot move.
import { imageResource } from "../../../resources/image.js";
import { dynamicProvider } from "../handler.js";

export = dynamicProvider(imageResource);
