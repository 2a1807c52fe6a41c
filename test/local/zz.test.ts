import { writeFileSync, mkdirSync } from "node:fs";
import { scriptedGuest } from "/work/wt/provider/provider/src/targets/local/testing/scripted-guest.js";
import {test} from "vitest";
test("x",()=>{ mkdirSync("/work/wt/provider/provider/kernel/x86_64",{recursive:true}); writeFileSync("/work/wt/provider/provider/kernel/x86_64/kernel.elf", scriptedGuest({console:"hi\n"},{status:{event:"boot",version:"0"}},{status:{event:"network",address:"10.0.2.15/24"}},{status:{event:"listening",protocol:"tcp",address:"0.0.0.0",port:8080}},"halt"));});
