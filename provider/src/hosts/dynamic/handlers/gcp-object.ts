// The path of this module is in the state of every stack that has an object. It cannot move.
import { objectResource } from "../../../resources/gcp/object.js";
import { dynamicProvider } from "../handler.js";

export = dynamicProvider(objectResource);
